"""What may be requested: addresses and limits."""
