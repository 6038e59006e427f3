"""What anybody may see, where an administrator has opened it: models with prices, the state of service."""
