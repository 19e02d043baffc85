"""The edge to web servers: WSGI in front, the client's socket behind, and a server of our own."""
