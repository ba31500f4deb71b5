"""Where providers speak to us: receipts, replies, keys. Signed, or refused."""
