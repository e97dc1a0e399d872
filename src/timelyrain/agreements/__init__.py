"""What is agreed: cost disclosure, forced reading, signature by one-time code, the contract document and its evidence."""
