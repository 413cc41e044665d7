"""What readers get, without a rule or any parsing: pages of views, who has read them, what a peer is told beside them."""
