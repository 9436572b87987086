"""Files of rows, in the notations that data sets come in; what cannot be read is said."""
