"""`headgate simulate`: traffic against a configuration in virtual time, through the data plane's own code."""
