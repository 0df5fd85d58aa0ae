"""What a trained network is used for: answers, figures anew, exports, publication."""
