"""What the results say together: verdicts, calibration, failures, and the page that shows them."""
