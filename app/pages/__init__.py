"""The web pages: server-rendered, one page is one service call."""
