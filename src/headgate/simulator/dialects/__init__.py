"""One module per wire dialect; each reads a vendor request and speaks the vendor's answers."""
