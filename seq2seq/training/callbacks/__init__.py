"""What happens around training steps. Knows Lightning's hooks; not the maths."""
