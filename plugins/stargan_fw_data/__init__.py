"""The command `data`: drawing stand-ins for datasets, checking data before training, and decoding it."""
