"""The public HTTP API: thin routes over services; OpenAPI at /api/v1/openapi.json, documentation at /api/v1/docs."""
