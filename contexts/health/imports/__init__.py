"""Health data that come from elsewhere: batches from phones, and exports of Apple, Google, Fitbit and Garmin."""
