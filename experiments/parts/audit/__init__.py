"""Claims of books, papers and libraries: for each the law, and real networks beside it."""
