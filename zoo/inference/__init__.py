"""What a trained network is used for: answers, metrics again, exports, publication."""
