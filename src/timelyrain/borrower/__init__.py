"""The borrower's phone pages: server-rendered, thin, the same services as the API."""
