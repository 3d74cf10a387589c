"""How far the student is from its teacher."""
