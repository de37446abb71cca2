"""The service over HTTP: `app` puts it together, each router is one file, `wellkept.serving` does the work."""
