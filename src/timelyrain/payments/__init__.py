"""Money out and money in through rails: each order is sent at most once, and when nobody knows what became of it, the rail is asked."""
