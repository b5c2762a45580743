"""What sleeps and what excludes: robust mutexes and doorbells, for the two platforms alone."""
