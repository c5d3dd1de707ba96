"""The pages for the makers of apps (``/developers``): what there is to use, registration by plain questions, trials."""
