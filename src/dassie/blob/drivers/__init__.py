"""One module per way of storing bytes. Each fulfils `blob.api.BlobStore` and nothing more."""
