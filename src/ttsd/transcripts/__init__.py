"""From a Markdown study guide to the sentences a teacher will speak."""
