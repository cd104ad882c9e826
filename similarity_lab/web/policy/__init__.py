"""What may be requested: URLs, connections, limits. Imports nothing of the crawler."""
