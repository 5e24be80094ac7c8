"""What the SLO explorer shows, without widgets: tables of a selection of queries, verdicts under an SLO, words, pictures, pages."""
