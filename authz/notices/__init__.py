"""What others are to be told: a row in the transaction that makes it so, a thread that sends it until it is heard."""
