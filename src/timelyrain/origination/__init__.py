"""From application to offer: gather, decide, record, price. The instant path runs in the request."""
