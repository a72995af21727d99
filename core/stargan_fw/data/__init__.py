"""From files to batches: sources list, splits divide, ingestion decodes once, the loader reads."""
