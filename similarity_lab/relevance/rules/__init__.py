"""The two rules that turn vectors into scores, and what they stand on."""
