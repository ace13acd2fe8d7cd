"""Public models at small settings, built from their own code in a checkout; nothing of them is kept here."""
