"""Where a bundle comes from: built in, a folder, the cache, the Hub."""
