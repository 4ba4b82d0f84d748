"""What the differential test is made of: random S3 requests, two ways to send them, and what may differ. Standard library only."""
