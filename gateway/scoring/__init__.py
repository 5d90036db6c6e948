"""The scorer: exchanges read, judged and redacted, one verdict for each."""
