"""The gateway: an OpenAI-compatible server whose answers were searched for (`sal serve`)."""
