def test_x():
    import os

    print(os.environ["DATABASE_URL"])
