"""Where devices connect: WebSocket and HTTP on one port, tokens, limits."""
