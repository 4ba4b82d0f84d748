"""The proof of payload forms: an SDK's own upload is taken off the wire, tampered copies are sent, then the upload itself."""
