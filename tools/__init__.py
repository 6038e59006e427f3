"""What the repository checks and generates about itself. Nothing here is part of the product."""
