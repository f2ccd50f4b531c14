"""Replays the bookings of two hotels against a running availability guard.

One noun per module; `main` puts them together:

    bookings   rows of the CSV file, read, checked and written
    occupancy  how full each room type is
    profile    what the real bookings look like, as counts and quantiles
    generator  seeded bookings that look like the profile
    hotel      a hotel as a tenant: its types, its rooms, their ids
    stay       the hours a booking holds a room; the shift into the future
    events     what happens, in a total order, one list for each hotel
    outcome    what became of an event, and the sums of that
    model      predicts every outcome offline
    client     HTTP/1.1 over a kept socket, with bounded retries
    requests   the bytes of each request, made once
    worker     plays one hotel's events against the service
    crew       runs the workers as processes
    progress   tells how far they are
    verdict    compares the service with the model and with itself
    database   looks at the rows behind the service's back (optional)
    report     the closing tables, as text and as JSON
    main       the command line
"""
