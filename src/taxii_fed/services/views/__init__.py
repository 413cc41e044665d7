"""What each class of readers sees of a collection, kept in line with its versions: the only writers of views."""
