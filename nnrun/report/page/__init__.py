"""How a page is made: markup, charts as plain data, and the file that holds everything."""
