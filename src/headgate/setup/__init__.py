"""The first start in a browser or by REST: which database, which Redis, who is the admin (spec 7.13)."""
