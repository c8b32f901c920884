"""The real host: RCM, its RHS child processes, and what goes over the pipe between them."""
