"""The student: plain torch modules that know no files and no trainer."""
