"""Effects in order: the one place where a tool runs, the replay, the agent loop."""
