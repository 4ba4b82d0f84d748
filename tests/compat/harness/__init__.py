"""What runs the clients: installation, servers, Forebay, scenarios, the table. Standard library only."""
