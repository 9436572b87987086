"""Results as others read them: parquet, a `datasets` folder, lighteval's details, the Hub."""
