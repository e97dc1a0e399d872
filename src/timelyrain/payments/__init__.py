"""Money out and in through rails: an order counts once; when nobody knows what became of it, the rail is asked."""
