"""What an app may get: one pure decision from request, registration, user, patient and launch (decisions 16, 20)."""
