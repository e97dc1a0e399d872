"""Plumbing of the first floor: settings, database, clock, ids, sagas, idempotency, problems, encryption.

Plumbing has no `services.py`: its modules are its doors, each named after the one thing it gives.
"""
